"""The committed sample, and the code that makes, fetches and prepares complaints."""
