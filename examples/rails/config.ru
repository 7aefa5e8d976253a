require_relative "application"
require_relative "photos"

run PhotosApp.initialize!
