"""What every step uses: errors, files, options, processes, quiet imports."""
