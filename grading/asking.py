"""Ask a student's functions for values, in the student's own kernel, at the place of a test.

The text of this module is what goes in. It writes what comes back as plain arrays; what is missing is judged outside.

Touches: in the sandbox, writes one file of arrays.
"""
import copy
import os

import numpy


def answers(names, calls):
    """Make the calls, each with arguments of its own; keep what comes back as numbers. A call that took too long is the last of its function."""
    arrays, slow = {}, set()
    for name, (function, arguments, shape, part) in calls.items():
        if function in slow:
            continue
        try:
            result = names[function](*copy.deepcopy(arguments))
            array = numpy.array(result if part is None else result[part], dtype=float)
            if array.shape == shape:  # another shape is no answer, and may be large
                arrays[name] = array
        except KeyboardInterrupt:
            slow.add(function)
        except BaseException:  # sys.exit() too ends one call, not the others
            pass
    return arrays


def ask(names, calls, code, name):
    """Put correct functions in the place of lost ones while the calls are made, and keep the answers in a file."""
    kept = dict(names)
    exec(code, names)
    found = answers(names, calls)
    for extra in set(names) - set(kept):
        del names[extra]
    names.update(kept)
    folder = os.environ["ANSWERS"]
    os.makedirs(folder, exist_ok=True)
    numpy.savez_compressed(os.path.join(folder, name), **found)
