"""Operations: what a night is, how it starts and ends, and whether this machine can run one."""
