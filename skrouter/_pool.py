"""placeholder"""


class ChangingPool:
    pass
