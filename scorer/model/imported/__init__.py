"""Reads and scores the trees of other libraries than XGBoost, without those libraries."""
