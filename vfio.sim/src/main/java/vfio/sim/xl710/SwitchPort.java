package vfio.sim.xl710;

/** What is plugged into the virtual switch. */
interface SwitchPort {
    /**
     * Takes a frame.
     *
     * @param frame only until this returns
     * @param type to whom it is addressed
     */
    void receive(Frame frame, CastType type);
}
