"""The login story: register, begin, answer, elevate; and the very first start."""
