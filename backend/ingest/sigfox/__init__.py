"""Callbacks of Sigfox's operator: `callbacks` receives them and hands them to hubs, `mailbox` is their queue."""
