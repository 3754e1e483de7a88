"""Speech and wishes of agents over a WebSocket: utterances in, what became of them back."""
