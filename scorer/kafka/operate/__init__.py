"""What commands ask of the brokers and make there."""
