"""What can go wrong around the local servers; each message is one sentence that says what to do."""


class LocalError(Exception):
    """Shown to a person as it stands; the command exits with 1."""


class InstallError(LocalError):
    """Something the servers need could not be installed. Running the command again resumes."""


class PortTakenError(LocalError):
    """Another process listens where a server should; nothing of that process was touched."""


class NotReadyError(LocalError):
    """A server ended or did not answer in time; what this call had started was stopped."""


class BusyError(LocalError):
    """Another command is starting or stopping servers in the same home. Retry when it is done."""
