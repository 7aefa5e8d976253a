require "gatepass/sign"
require "securerandom"

PUBLIC_URL = ENV.fetch("GATEPASS_PUBLIC_URL", "http://127.0.0.1:8080")
SIGNER = Gatepass::Signer.new(key: ENV.fetch("GATEPASS_API_KEY"), public_url: PUBLIC_URL)

class Photo < ActiveRecord::Base
  def url
    "#{PUBLIC_URL}/#{path}"
  end
end

class PhotosController < ActionController::Base
  prepend_view_path __dir__
  protect_from_forgery with: :exception

  def index
    @photos = Photo.order(:id)
    render template: "page"
  end

  # The path is made up here, never by the page, and begins with whose it is.
  def sign
    path = "users/#{user_id}/#{SecureRandom.uuid}"
    limits = { expires_in: 600, max_size: 10_000_000, type: "image/*", overwrite: false }
    render json: { url: SIGNER.sign_upload(path, **limits) }
  end

  # What the page says could be made up; what the receipt states was uploaded.
  def create
    claims = SIGNER.verify_receipt(params[:receipt])
    return refuse unless claims.path.start_with?("users/#{user_id}/")

    facts = { path: claims.path, content_type: claims.type, size: claims.size }
    Photo.find_or_initialize_by(file_id: claims.sub).update!(facts)
    redirect_to "/", status: :see_other
  rescue Gatepass::ReceiptError
    refuse
  end

  private

  def refuse
    render plain: "The receipt was refused.", status: :forbidden
  end

  def user_id
    7 # In place of your session.
  end
end
