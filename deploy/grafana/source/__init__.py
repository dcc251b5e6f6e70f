"""The dashboards as code: `python -m deploy.grafana.source` writes the JSON beside this folder.

Built with Grafana's own builders, so that what is written is what Grafana of that version reads.
"""
