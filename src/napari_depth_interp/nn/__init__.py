"""What two or more learned methods share. Imports torch: import it only when a method runs."""
