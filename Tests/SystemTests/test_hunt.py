"""A sample of the hunt for wrong answers; `make hunt` is the whole."""
import pytest

import hunt


@pytest.mark.alone
def test_no_answer_is_wrong():
    done, wrong, refused, examples, complaints = hunt.hunt(20_000, seed=5)
    assert done >= 20_000 and refused < done / 2 and not wrong and not complaints, (wrong, examples, complaints)
