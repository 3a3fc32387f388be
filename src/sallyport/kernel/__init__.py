"""What every room stands on: time, identifiers, outcomes, text, secrets that cannot print, the vault."""
