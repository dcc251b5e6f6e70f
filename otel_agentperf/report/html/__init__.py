"""A report as one page of HTML that needs nothing else; it needs the extra `html`."""
