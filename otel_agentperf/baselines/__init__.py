"""What is normal for an application: learned from its own past, kept, merged, asked."""
