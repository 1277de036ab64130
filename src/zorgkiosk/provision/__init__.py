"""From a folder with a region's files to what each of its boxes is given: certificates, rendered files, one bundle."""
