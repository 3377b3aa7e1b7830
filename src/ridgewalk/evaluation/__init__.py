"""What several verbs do with a run: choose pairs of images, search and judge paths between them, measure its sensors, draw samples."""
