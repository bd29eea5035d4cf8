package vfio.iavf;

/** The registers of BAR0, however they are reached. Safe for several threads. */
public interface RegisterSpace {
    /**
     * Reads a register.
     *
     * @param offset see {@link VfRegister}
     */
    int read(int offset);

    /**
     * Writes a register. Memory that was written before is seen by whoever sees the register.
     *
     * @param offset see {@link VfRegister}
     */
    void write(int offset, int value);
}
