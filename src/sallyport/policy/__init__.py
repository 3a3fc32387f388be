"""The rule about second factors, looked at before it is switched on."""
