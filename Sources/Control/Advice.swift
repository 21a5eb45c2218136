// Enters: why an order was not carried out. Leaves: the same, with advice that helps.
import Models
import Repository

extension ModelControl {
    /// "Load it first" helps nobody where there is nothing to load: who decides knows memory only, and here the repository is
    /// asked.
    func advised(_ error: OrderError) -> OrderError {
        switch error {
        case .unknownModel(""), .notLoaded(model: "", _): .noModel
        case .notLoaded(let model, _):
            if case .some = versions(of: model) { error } else { .unknownModel(model) }
        case .versionNotLoaded(let model, let version, _):
            if let versions = versions(of: model), !versions.contains(version) {
                .unknownVersion(model: model, version: version, available: versions)
            } else {
                error
            }
        default: error
        }
    }

    /// `nil`: there is no such model. One that cannot be read is there.
    private func versions(of model: String) -> [Int64]? {
        do throws(OrderError) { return try plan(of: model).versions } catch {
            if case .unknownModel = error { return nil }
            return []
        }
    }
}
