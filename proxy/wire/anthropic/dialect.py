"""Messages as a client format that vendors of other formats can serve."""

from proxy.wire.anthropic.encoder import MessageEncoder
from proxy.wire.anthropic.message import write_message
from proxy.wire.anthropic.request import read_request
from proxy.wire.translation import ClientDialect

MESSAGES = ClientDialect(read=read_request, encoder=MessageEncoder, write_answer=write_message)
