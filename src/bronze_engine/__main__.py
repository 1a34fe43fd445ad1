"""`python -m bronze_engine`: the same as `bronze`."""

from bronze_command import main

if __name__ == "__main__":
    main()
