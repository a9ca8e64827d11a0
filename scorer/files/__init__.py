"""Files of events: finds them, scores each into an output, and knows which outputs are finished."""

from scorer.files.features import TableFiles, features_of, without_stream
from scorer.files.inputs import find_inputs, is_one_file
from scorer.files.names import output_of, tasks_of
from scorer.files.outputs import Receipt, alone, outputs_at
from scorer.files.reading import TABLES, FileReader
from scorer.files.scoring import FileScorer, Order, Task
from scorer.files.stores import is_remote
from scorer.files.work import Work, score_here, score_in_processes
from scorer.files.writing import FORMATS, DeadLetterFile, format_of, writing

__all__ = [
    "FORMATS",
    "TABLES",
    "DeadLetterFile",
    "FileReader",
    "FileScorer",
    "Order",
    "Receipt",
    "TableFiles",
    "Task",
    "Work",
    "alone",
    "features_of",
    "find_inputs",
    "format_of",
    "is_one_file",
    "is_remote",
    "output_of",
    "outputs_at",
    "score_here",
    "score_in_processes",
    "tasks_of",
    "without_stream",
    "writing",
]
