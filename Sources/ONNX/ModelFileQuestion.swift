// Enters: a model file's bytes. Leaves: why the runtime would not get to see them. For who stores models and runs none.
public import Memory

/// `nil`: nothing speaks against the file before it is loaded. `isExternalData`: its values lie in other files.
public func problem(ofModelFile file: ByteView) -> (sentence: String, isExternalData: Bool)? {
    do throws(ModelFileError) {
        _ = try ModelFileCheck.check(file)
        return nil
    } catch {
        if case .externalData = error { return (error.sentence, true) }
        return (error.sentence, false)
    }
}
