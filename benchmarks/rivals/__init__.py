"""What people write instead: scripts under the contract, each complete in its own file, to be read and mended."""
