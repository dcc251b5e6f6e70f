"""The only code that touches LangGraph, google-genai and psutil."""
