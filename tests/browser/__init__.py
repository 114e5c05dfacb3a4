"""What people see and do, in real Chromium."""
