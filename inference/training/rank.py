"""One process of a distributed run: `torchrun ... -m inference.training.rank JOB`.

Started by `launch` on this machine; on several machines start torchrun on each of them by hand,
with a JOB and a checkpoint folder that all see. The first process says on stdout how far it is,
a line of JSON each. What cannot be mended by starting again (a checkpoint that is refused, a full
disk) is said and ends with 0, so that torchrun does not try.
"""

import sys
from pathlib import Path

import msgspec

from inference.errors import InferenceError
from inference.training import job
from inference.training.distribute import joined
from inference.training.epochs import fit_transformer
from inference.training.progress import Refused, Said, silent


def main(path: Path) -> None:
    with joined() as group:
        report = _say if group.first else silent
        work = job.read(path)
        try:
            fit_transformer(
                work.sequences,
                work.items,
                work.judge,
                work.settings,
                seed=work.seed,
                kept=(work.kept, work.data),
                report=report,
                group=group,
            )
        except InferenceError as error:
            if group.first:
                _say(Refused(why=str(error)))


def _say(said: Said | Refused) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(said) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
