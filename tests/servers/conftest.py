from tests.servers.fixtures import *  # noqa: F403
from tests.servers.profiles import *  # noqa: F403
