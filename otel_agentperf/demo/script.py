"""placeholder"""
from otel_agentperf.demo.responders import FixedResponder
class RecordingScript(FixedResponder):
    """placeholder"""
