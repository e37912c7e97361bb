"""The long hunt: many seeds of many scenarios, time-boxed, resumable, with its figures kept."""
