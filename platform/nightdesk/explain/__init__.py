"""Why a model says what it says: what each feature adds to a score, and what its ranking loses without one."""
