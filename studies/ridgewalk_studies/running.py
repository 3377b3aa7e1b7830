"""The former place of the verb, under which an older installation still looks for it."""

from ridgewalk_studies.reproduce import reproduce as reproduce
