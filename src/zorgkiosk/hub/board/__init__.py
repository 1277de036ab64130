"""The region on a screen: `view` says what is shown (pure), `words` how it is said in Dutch, `web` serves it."""
