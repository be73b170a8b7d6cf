"""Messages out: an incident is entered in the store, and sent until every channel took it."""

from nightdesk.alerts.channels import Channel, channels_of, deliver
from nightdesk.alerts.door import message, send_unrecorded, send_waiting, tell
from nightdesk.alerts.feed import look_at_feed
from nightdesk.store.incidents import Incident

__all__ = [
    "Channel",
    "Incident",
    "channels_of",
    "deliver",
    "look_at_feed",
    "message",
    "send_unrecorded",
    "send_waiting",
    "tell",
]
