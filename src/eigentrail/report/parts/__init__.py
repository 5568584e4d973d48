"""What each analysis adds to the page of a run, a file each."""
