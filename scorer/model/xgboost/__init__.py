"""Models of XGBoost: scored by XGBoost, or by compiled trees that agree with it bit for bit."""
