"""How often eigentrail makes its statements: one file for what is said of one subject."""
