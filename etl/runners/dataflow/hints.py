"""The usual failures of a job on Dataflow: how each shows in a message, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One usual failure.

    Attributes:
        name: In a few words; docs/dataflow.md has a row for it.
        pattern: Matches its messages, in any case.
        hint: What to do.
    """

    name: str
    pattern: str
    hint: str


# In this order: a message about an API that is off also says 403, for instance.
KNOWN_FAILURES = (
    KnownFailure(
        "no credentials",
        r"default credentials were not found|DefaultCredentialsError|RefreshError|invalid_grant|reauthentication",
        "log in: gcloud auth application-default login",
    ),
    KnownFailure(
        "an API is off",
        r"has not been used in project|API .*(is not enabled|is disabled)|SERVICE_DISABLED",
        "enable it: gcloud services enable dataflow.googleapis.com compute.googleapis.com storage.googleapis.com",
    ),
    KnownFailure(
        "the service account may not be used",
        r"act as service account|actAs|iam\.serviceAccounts\.|serviceAccountUser",
        "give yourself roles/iam.serviceAccountUser on the workers' service account",
    ),
    KnownFailure(
        "no permission on a bucket",
        r"storage\.(objects|buckets)\.|Could not upload to GCS|does not have (serviceusage|storage)",
        "give you and the workers' service account roles/storage.objectAdmin and "
        "roles/storage.legacyBucketReader on the bucket",
    ),
    KnownFailure(
        "no permission on Dataflow",
        r"dataflow\.(jobs|messages|metrics|workItems)\.|does not have write access to project",
        "give yourself roles/dataflow.developer, and roles/dataflow.worker to the workers' service account",
    ),
    KnownFailure(
        "a name that is taken",
        r"already active job named|DataflowJobAlreadyExistsError",
        "give another --job_name, or none, or cancel that job",
    ),
    KnownFailure(
        "no machines in the zone",
        r"ZONE_RESOURCE_POOL_EXHAUSTED|does not have enough resources available|RESOURCE_POOL_EXHAUSTED|STOCKOUT",
        "run it again with another --worker_zone, --worker_machine_type or --region",
    ),
    KnownFailure(
        "quota",
        r"quota|QUOTA_EXCEEDED|RESOURCE_EXHAUSTED|ResourceExhausted|TooManyRequests",
        "lower --max_num_workers or --worker_machine_type, add --no_use_public_ips, or ask for more at "
        "https://console.cloud.google.com/iam-admin/quotas",
    ),
    KnownFailure(
        "the image can't be pulled",
        r"ImagePull|pull(ing)? (the )?image|manifest unknown|image \S+ not found",
        "check the name in --sdk_container_image, and give the workers' service account "
        "roles/artifactregistry.reader on its repository",
    ),
    KnownFailure(
        "the image has another Beam or Python",
        r"runtime environment are not compatible|unknown opcode|unsupported pickle protocol",
        "build the image again with etl/Dockerfile, of this Beam and this Python (see docs/dataflow.md)",
    ),
    KnownFailure(
        "a worker is out of memory",
        r"out of memory|OOM|exit (code|status):? 137|MemoryError",
        "give a --worker_machine_type with more memory a core (n2-highmem-4), or --direct_num_workers 1",
    ),
    KnownFailure(
        "the workers don't start",
        r"no worker activity|startup of the worker pool|worker.*failed to start|failed to install",
        "mostly the packages can't be installed: read the logs named worker-startup in the console, or use an image, "
        "--sdk_container_image",
    ),
    KnownFailure(
        "a module is missing",
        r"ModuleNotFoundError|No module named",
        "the image lacks this project or its dependencies: build it with etl/Dockerfile, or leave "
        "--sdk_container_image and --setup_file out",
    ),
    KnownFailure(
        "the network",
        r"Private Google Access|subnetwork|network \S+ is not accessible",
        "give --subnetwork regions/REGION/subnetworks/NAME, with Private Google Access if --no_use_public_ips is given",
    ),
)


def find_hint(message: str) -> str:
    """Returns what to do about a failure, "" for one that isn't among the usual ones."""
    return next((entry.hint for entry in KNOWN_FAILURES if re.search(entry.pattern, message, re.I | re.S)), "")
