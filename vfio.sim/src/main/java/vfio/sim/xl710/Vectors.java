package vfio.sim.xl710;

/** The MSI-X vectors of a function, which belong to its user: there may be fewer than the function can fire. */
public interface Vectors {
    /** Fires a vector. */
    void fire(int vector);

    /** Fires every vector that somebody is connected to. */
    void fireConnected();

    /** From now on nobody is told of what fires, and it waits; on return nobody is being told. */
    void hold();

    /** Ends that; what waits is told, unless it is masked. */
    void release();

    /** The vectors on which something waits, vector 0 in bit 0. */
    int pending();

    /** Replaces what waits. */
    void restorePending(int pending);
}
