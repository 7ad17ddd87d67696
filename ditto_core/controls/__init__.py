"""What a user wants changed over a clip, to be merged into the stages' options once the clip is known."""
