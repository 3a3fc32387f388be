"""The command line: `sallyport` and `python -m sallyport`."""

from sallyport.cli.main import main

if __name__ == "__main__":
    main()
