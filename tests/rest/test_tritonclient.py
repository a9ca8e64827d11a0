"""NVIDIA's own client of the Open Inference Protocol, with its binary tensors, gets the scores of XGBoost.

It runs as a child process, with its packages in a folder of their own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

from tests.once import packages
from tests.rest.served import Served

LOCK = Path(__file__).with_name("tritonclient.lock")
CLIENT = """
import json, sys
import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("parcels")
columns = client.get_model_metadata("parcels")["inputs"][0]["shape"][1]
assert client.get_model_repository_index()[0]["state"] == "READY"
rows = np.arange(3 * columns, dtype=np.float32).reshape(3, columns)
rows[1, 2] = np.nan
found = []
for binary in (True, False):
    if not binary:
        rows = np.nan_to_num(rows)
    tensor = triton.InferInput("rows", rows.shape, "FP32")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    outputs = [triton.InferRequestedOutput("score", binary_data=binary)]
    result = client.infer("parcels", [tensor], outputs=outputs, request_id="7")
    assert result.get_response()["id"] == "7"
    assert ("data" in result.get_output("score")) != binary
    found.append(result.as_numpy("score").tolist())
found.append(client.infer("parcels", [tensor]).as_numpy("score").tolist())  # which asks for bytes by itself
try:
    client.infer("other", [tensor])
except triton.InferenceServerException as error:
    found.append(error.message())
print(json.dumps(found))
"""


@pytest.mark.prove
def test_the_client_gets_the_scores_of_xgboost(parcels: Served, parcels_config: Path) -> None:
    home = packages("tritonclient", LOCK)
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, f"127.0.0.1:{parcels.port}"],
        env=os.environ | {"PYTHONPATH": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    binary, text, usual, refusal = json.loads(done.stdout)
    booster = xgboost.Booster(model_file=parcels_config.parent / "models/parcels/1/model.ubj")
    rows = np.arange(3 * 19, dtype=np.float32).reshape(3, 19)
    rows[1, 2] = np.nan
    assert binary == booster.inplace_predict(rows, validate_features=False).tolist()
    assert text == usual == booster.inplace_predict(np.nan_to_num(rows), validate_features=False).tolist()
    assert "nothing is at /v2/models/other/infer" in refusal
