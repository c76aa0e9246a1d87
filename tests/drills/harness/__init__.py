"""What a drill is played with: brokers, workers, load."""
