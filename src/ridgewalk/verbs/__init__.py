"""What the commands do: a request in, a result out."""
