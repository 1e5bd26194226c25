"""What a socket says, all others hear: `ws.publish` of uWebSockets, nothing else. Usage: broadcast.py PORT"""

import sys

from socketify import App, AppListenOptions, CompressOptions, OpCode


def heard(ws, message, opcode):
    ws.publish("all", message, OpCode.TEXT)


app = App()
app.ws(
    "/*",
    {
        "compression": CompressOptions.DISABLED,
        "max_payload_length": 1 << 20,
        "max_backpressure": 1 << 30,
        "idle_timeout": 0,
        "open": lambda ws: ws.subscribe("all"),
        "message": heard,
    },
)
app.get("/health/ready", lambda response, request: response.end("ready"))
app.listen(AppListenOptions(port=int(sys.argv[1]), host="127.0.0.1"))
app.run()
