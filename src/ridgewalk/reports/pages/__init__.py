"""The pages of the verbs: each module takes the result of one verb and writes its page and pictures."""
