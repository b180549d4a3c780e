"""Run the command line: ``python -m aicc_async``."""

from .cli import main

if __name__ == "__main__":
    main()
