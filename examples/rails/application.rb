# What `rails new` and a migration make in an app of several files.
require "action_controller/railtie"
require "active_record"
require "securerandom"

class PhotosApp < Rails::Application
  config.root = __dir__
  config.eager_load = false
  config.secret_key_base = ENV.fetch("SECRET_KEY_BASE") { SecureRandom.hex(64) }
  config.hosts.clear
  config.public_file_server.enabled = true
  config.logger = Logger.new($stderr, level: :warn)

  routes.append do
    root "photos#index"
    post "sign", to: "photos#sign"
    post "files", to: "photos#create"
  end
end

ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: "#{__dir__}/db.sqlite3")
ActiveRecord::Schema.verbose = false
ActiveRecord::Schema.define do
  create_table :photos, if_not_exists: true do |t|
    t.string :file_id, null: false, index: { unique: true }
    t.string :path, :content_type, null: false
    t.bigint :size, null: false
  end
end
