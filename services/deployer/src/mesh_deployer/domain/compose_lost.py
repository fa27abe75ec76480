"""What a compose file says and an SDL cannot: each with what that means and what to do instead."""

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from mesh_deployer.domain.place import Place

_NO_RIGHTS = ("Akash gives a container no rights on its machine.", "Use an image that runs without them.")
_NO_NETWORKS = ("The services of one placement share a network.", "Reach them by the names of the services.")
_NO_SWITCH = ("Akash has no switch for this.", "Set it in the image, or in the command.")
_NO_FILES = ("A provider has none of your files.", "Put it into the image, or into `environment`.")

SERVICE: Mapping[str, tuple[str, str]] = {
    "depends_on": ("Akash starts all services at once.", "Let the service wait for what it needs."),
    "healthcheck": ("Akash looks after no health.", "Let the process end when it is ill; it is restarted."),
    "restart": ("Akash always restarts what ends.", "Keep the process running, or leave it out."),
    "links": ("Every service reaches every other by name.", "Use the name of the service."),
    "container_name": ("The name of the service is its host name.", "Use that name."),
    "hostname": ("The name of the service is its host name.", "Use that name."),
    "labels": ("Akash keeps no labels.", "Keep them in the image."),
    "logging": ("Providers stream what the process prints.", "Print to the standard output."),
    "env_file": _NO_FILES,
    "secrets": ("A provider can read what it is given.", "Write gateway://<connection> into `environment`."),
    "configs": _NO_FILES,
    "volumes_from": _NO_FILES,
    "extends": _NO_FILES,
    "develop": _NO_FILES,
    "working_dir": _NO_SWITCH,
    "user": _NO_SWITCH,
    "init": _NO_SWITCH,
    "read_only": _NO_SWITCH,
    "stop_grace_period": _NO_SWITCH,
    "stop_signal": _NO_SWITCH,
    "stdin_open": ("Nobody is at the keyboard.", "Leave it out."),
    "attach": ("Nobody is at the keyboard.", "Leave it out."),
    "tty": ("Nobody is at the keyboard.", "Leave it out."),
    "platform": ("Providers are linux/amd64 unless asked otherwise.", "Ask for `arch` in profiles.compute."),
    "pull_policy": ("Providers pull what they do not have.", "Name the image by a digest."),
    "ulimits": _NO_SWITCH,
    "pids_limit": _NO_SWITCH,
    "mem_reservation": ("What is reserved is what is given.", "Write `deploy.resources.limits`."),
    "memswap_limit": ("Providers do not swap.", "Ask for enough memory."),
    "cpu_shares": ("CPU is leased by its amount.", "Write `deploy.resources.limits.cpus`."),
    "cpu_quota": ("CPU is leased by its amount.", "Write `deploy.resources.limits.cpus`."),
    "networks": _NO_NETWORKS,
    "network_mode": _NO_NETWORKS,
    "extra_hosts": _NO_NETWORKS,
    "external_links": _NO_NETWORKS,
    "dns": _NO_NETWORKS,
    "dns_search": _NO_NETWORKS,
    "mac_address": _NO_NETWORKS,
    "privileged": _NO_RIGHTS,
    "cap_add": _NO_RIGHTS,
    "cap_drop": ("The provider decides on capabilities.", "Leave it out."),
    "security_opt": _NO_RIGHTS,
    "sysctls": _NO_RIGHTS,
    "devices": ("Of devices Akash leases GPUs only.", "Write `deploy.resources.reservations.devices`."),
    "group_add": _NO_RIGHTS,
    "ipc": _NO_RIGHTS,
    "pid": _NO_RIGHTS,
    "userns_mode": _NO_RIGHTS,
    "runtime": ("The provider chooses the runtime.", "Ask for GPUs under `deploy.resources.reservations`."),
}
DEPLOY: Mapping[str, tuple[str, str]] = {
    "mode": ("Akash runs a number of replicas.", "Write `replicas`."),
    "placement": ("Providers are chosen by their attributes.", "Write them into profiles.placement."),
    "restart_policy": SERVICE["restart"],
    "update_config": ("The provider decides how it updates.", "Leave it out."),
    "rollback_config": ("Nothing is rolled back.", "Deploy the version before."),
    "labels": SERVICE["labels"],
    "endpoint_mode": _NO_NETWORKS,
}
TOP: Mapping[str, tuple[str, str]] = {
    "networks": _NO_NETWORKS,
    "secrets": SERVICE["secrets"],
    "configs": _NO_FILES,
    "include": _NO_FILES,
}


def note(place: Place, known: Collection[str], lost: Mapping[str, tuple[str, str]]) -> None:
    """Warns of every entry that is not `known`, with what is said of it in `lost` or what was meant by it.

    Extensions (`x-…`) and what is switched off are passed over, as they change nothing.
    """
    for key, entry in place.named().items():
        if key in known or key.startswith("x-") or entry.is_absent or _is_off(entry):
            continue
        if key in lost:
            entry.warn("not-carried", *lost[key])
            continue
        near = get_close_matches(key, (*known, *lost), n=1)
        hint = f"Did you mean `{near[0]}`?" if near else "Leave it out."
        entry.warn("unknown-key", f"Compose has no `{key}` here.", hint)


def _is_off(place: Place) -> bool:
    return place.is_scalar and place.text() == "false"
